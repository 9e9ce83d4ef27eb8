"""What scripts/bench runs: rows of work, contenders who do it, and what is made of the figures."""
