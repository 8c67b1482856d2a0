"""Runs a pure function in child processes that can be killed, with limits on CPU time and memory.

A call into a C library cannot be interrupted by a thread or an event loop, but a process can be killed. A
program of its own, the fork server, forks the children, so that they contain neither the threads nor the
event loop nor the credentials of the process that uses them.
"""
