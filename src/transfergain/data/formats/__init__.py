"""Read the file formats that labelled text comes in: one file each."""
