"""The command line: runs the others in order, publishes, reports."""
