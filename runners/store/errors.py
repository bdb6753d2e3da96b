"""What every part of the store raises."""


class StoreError(RuntimeError):
    """The store cannot be used; the message says where it is and why."""
