# SPDX-License-Identifier: MIT
"""Stripe's API of the desk as its clients use it, by the standard library alone: calls over the
desk's socket, endpoints, and a session of `stripe listen`."""
import base64
import http.client
import json
import os
import socket
import struct

FORM = "application/x-www-form-urlencoded"
SESSION = ("device_name=live&websocket_features%5B%5D=webhooks&websocket_features%5B%5D=v2_events"
           "&websocket_features%5B%5D=request_logs")
TEXT, CLOSE, PING, PONG = 1, 8, 9, 10


def open_socket(path, timeout_s):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(timeout_s)
    s.connect(path)
    return s


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout_s):
        super().__init__("desk", timeout=timeout_s)
        self.path = path

    def connect(self):
        self.sock = open_socket(self.path, self.timeout)


def call(path, key, method, target, body=None, timeout_s=60):
    """(status, the answer's JSON); OSError, HTTPException or ValueError where there is none."""
    c = Connection(path, timeout_s)
    try:
        c.request(method, target, body, {"Authorization": f"Bearer {key}",
                                         **({"Content-Type": FORM} if body else {})})
        answer = c.getresponse()
        return answer.status, json.loads(answer.read())
    finally:
        c.close()


class Session:
    """A session of `stripe listen`, which keeps its id over several connections."""

    def __init__(self, path, key, timeout_s=60):
        self.path, self.timeout_s, self.socket = path, timeout_s, None
        status, self.made = call(path, key, "POST", "/v1/stripecli/sessions", SESSION, timeout_s)
        if status != 200:
            raise OSError(f"a session was answered {status}: {self.made}")

    def connect(self):
        self.close()
        self.socket = open_socket(self.path, self.timeout_s)
        self.socket.sendall(
            b"GET /v1/stripecli/listen?websocket_feature=webhook-payloads HTTP/1.1\r\n"
            b"Host: desk\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n"
            b"Sec-WebSocket-Protocol: stripecli-devproxy-v1\r\nWebsocket-Id: %s\r\n\r\n"
            % (base64.b64encode(os.urandom(16)), self.made["websocket_id"].encode()))
        self.input = self.socket.makefile("rb")
        head = self.input.readline()
        while self.input.readline().strip():
            pass
        if head.split(b" ")[1:2] != [b"101"]:
            raise OSError(f"a WebSocket was answered {head}")

    def close(self):
        if self.socket is not None:
            self.input.close()
            self.socket.close()
            self.socket = None

    def send(self, opcode, payload):
        n, mask = len(payload), os.urandom(4)
        length = bytes([0x80 | n]) if n < 126 else struct.pack("!BH", 0xfe, n) if n < 65536 \
            else struct.pack("!BQ", 0xff, n)
        masked = bytes(b ^ mask[i % 4] for i, b in enumerate(payload))
        self.socket.sendall(bytes([0x80 | opcode]) + length + mask + masked)

    def take(self, n):
        got = self.input.read(n)
        if len(got) < n:
            raise OSError("the connection ended")
        return got

    def message(self):
        """The next message, parsed; OSError at the end. Pings and Close frames are answered."""
        while True:
            first, n = self.take(2)
            if n >= 126:
                n = int.from_bytes(self.take(2 if n == 126 else 8), "big")
            opcode, payload = first & 15, self.take(n)
            if opcode == TEXT:
                return json.loads(payload)
            if opcode in (CLOSE, PING):
                self.send(CLOSE if opcode == CLOSE else PONG, payload)
            if opcode == CLOSE:
                raise OSError(f"it was closed: {payload}")

    def take_event(self, status=200):
        """Reads a message; an event is acknowledged and answered, and its id returned."""
        told = self.message()
        name = told.get("webhook_id") or told.get("destination_id")
        if name is None:
            return None  # a request
        event = json.loads(told.get("event_payload") or told["payload"])["id"]
        ack = {"type": "event_ack", "event_id": event, "webhook_id": name}
        self.send(TEXT, json.dumps(ack).encode())
        if "webhook_conversation_id" in told:
            self.send(TEXT, json.dumps({
                "type": "webhook_response", "webhook_id": name, "status": status,
                "webhook_conversation_id": told["webhook_conversation_id"],
                "forward_url": "http://localhost/", "body": "thanks"}).encode())
        return event
