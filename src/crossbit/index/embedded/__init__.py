"""The embedded engine: an index in a folder, durable, searched by the Hamming kernel."""
