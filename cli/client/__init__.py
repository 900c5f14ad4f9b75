"""`umpire compare`, and what every client on the command line needs: prompt, HTTP client, topic follower."""
