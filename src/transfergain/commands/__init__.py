"""What the command line offers beyond a call: a file a command."""
