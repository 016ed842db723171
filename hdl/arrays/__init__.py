"""Arrays, what programs and reads them, and what counts behind their sense amplifiers."""
