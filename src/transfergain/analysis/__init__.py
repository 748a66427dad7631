"""Turn the store into findings. Imports no torch."""
