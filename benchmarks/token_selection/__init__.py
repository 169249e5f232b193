"""`token-selection` against the published training loop and faster programs on the full weights."""
