"""What the farm and its workers must agree on; a worker knows nothing else of the farm's side."""

PROTOCOL = 1
"""Of the worker API's messages; a worker that speaks another is refused by name."""
