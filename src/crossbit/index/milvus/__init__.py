"""The Milvus engine: an index on a server, for those who outgrow one machine."""
