"""What happens to the database itself."""

from demo.fire22.incident import Incident

INCIDENTS = (
    Incident(
        "infrastructure/connection_pool_exhausted",
        begins="A program does not give its connections back: 50 more are open, and idle.",
        ends="The program is stopped, and its connections are closed.",
        begin=lambda world: world.open_connections(50),
        end=lambda world: world.close_connections(),
    ),
)
