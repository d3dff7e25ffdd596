"""Plays Slack, SNS, PagerDuty, a mail server and webhooks on loopback; a live page shows what each person got."""

from demo.receiver.message import Kind, Message
from demo.receiver.receiver import Receiver

__all__ = ["Kind", "Message", "Receiver"]
