"""Who is who between controllers and agents: roles in certificates, and the files that mutual TLS needs."""
