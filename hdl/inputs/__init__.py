"""Values of the outer world as bits: planes, random bits and where they come from."""
