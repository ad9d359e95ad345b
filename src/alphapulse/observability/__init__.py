"""How the system can be watched: bounded measurements, and a closed set of log events."""
