"""The stages: generators and functions of plain values. They name no vendor and hold no environment."""
