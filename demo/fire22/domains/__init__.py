"""What goes on in Fire22, a module per domain: its ordinary work, tick by tick, and its incidents."""
