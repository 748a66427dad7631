"""From the store to findings. Imports no torch."""
