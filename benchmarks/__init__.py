"""Speed, scores and memory side by side with `Trainer`: `python -m benchmarks.run NAME`. Never a test."""
