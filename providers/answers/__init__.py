"""Parses providers' answers: verdict, usage and errors. All of it is pure."""
