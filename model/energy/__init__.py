"""What an inference and a programming cost: events counted from the plan, their energies, tables and a picture."""
