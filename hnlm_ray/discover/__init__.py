"""From unknown files to a commented configuration: what ``hnlm init`` understands, and why."""
