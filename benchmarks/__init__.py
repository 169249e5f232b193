"""Side by side with what one would write instead: `python -m benchmarks [SYSTEM ...]`, from the project's folder."""
