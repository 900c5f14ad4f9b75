"""The models: manifest, prices, and OpenRouter's own list."""
