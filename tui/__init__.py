"""The console: a Textual app on the engine. It holds no training logic."""
