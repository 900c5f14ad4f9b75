"""One HTTP/1.1 connection: uvicorn's protocol with bounds on what a client may send, and leave unread."""
