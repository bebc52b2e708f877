"""What LLM agents are offered over the Model Context Protocol, and how they are answered.

Agents read, and propose; that a task is worth doing, or done, is for people to say.
"""
