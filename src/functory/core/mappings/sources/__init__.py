"""One module for each kind of event source."""
