"""What runs a study: planner, executors, tracking."""
