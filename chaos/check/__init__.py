"""The checker of a run: reads its journals and compares them. Standard library only, none of the product's code."""
