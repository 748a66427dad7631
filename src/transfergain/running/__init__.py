"""Run a study: set it up, plan its trials, carry them out, follow them."""
