"""Side by side with what one would write instead: `python -m benchmarks`, from the project's folder."""
