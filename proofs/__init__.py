"""The mathematics: statements about training dynamics, their sources and their proofs."""
