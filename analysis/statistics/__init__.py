"""Statistics with few seeds. Each function takes a tidy frame and gives one."""
