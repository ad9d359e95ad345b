"""What people look at: a replica built from messages, and the pages that show it. Invents nothing, commands nothing."""
