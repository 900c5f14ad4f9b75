"""What the verdicts show about the judges, the essays and the design."""
