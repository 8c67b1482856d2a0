"""Tests that apply and destroy the Terraform stack with a stand-in provider, and compare it with the code."""
