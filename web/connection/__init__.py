"""One HTTP/1.1 connection: uvicorn's protocol with bounds on the data that a client sends or does not read."""
