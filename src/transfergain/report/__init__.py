"""What people see: the terminal, the page, the model card. Reads only `Findings`."""
