"""Celery as the farm uses it: doorbells on direct queues, no results, no retries, no events."""

import ssl
from typing import Any

from celery import Celery
from celery.app.amqp import AMQP
from kombu.connection import Connection
from kombu.transport.redis import Channel, Transport

from farm.pinning import PinnedConnection

TRANSPORT: dict[str, Any] = {
    "visibility_timeout": 3600,  # far beyond a batch; the claim drops what is delivered twice all the same
    "socket_keepalive": True,
    "socket_timeout": 30,
    "health_check_interval": 25,
}

BARE: dict[str, Any] = {"ack_emulation": False, "priority_steps": [0]}


AGAIN_S = {"interval_start": 1.0, "interval_step": 1.0, "interval_max": 4.0}


class PersistentConnection(Connection):
    """Asks for a broker that is away every few seconds; kombu lets its pauses grow to half a minute."""

    def ensure_connection(self, *args: Any, **options: Any) -> Any:
        return super().ensure_connection(*args, **{**AGAIN_S, **options})  # type: ignore[no-untyped-call]


class Amqp(AMQP):  # type: ignore[misc]
    Connection = PersistentConnection


class PinnedChannel(Channel):
    connection_class_ssl = PinnedConnection


class PinnedTransport(Transport):
    Channel = PinnedChannel


def celery_app(
    name: str, broker_url: str, queues: list[str], *, bare: bool = False, ca_file: str = ""
) -> Celery:
    """An app that consumes `queues` and nothing else (none: it only publishes).

    `bare`: kombu keeps nothing beside the queues, so that its Redis user can be denied all but BRPOP on them;
    a doorbell that is lost on the way is rung again. `ca_file`: the certificate that alone is trusted of a rediss://
    broker; "": the system's authorities.
    """
    app = Celery(name, broker=broker_url, amqp="tasks.app:Amqp", set_as_current=False)
    app.conf.update(
        broker_transport_options={**TRANSPORT, **(BARE if bare else {})},
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        broker_channel_error_retry=True,  # a Redis whose disk is full refuses even BRPOP: that passes
        # Direct queues need no bindings, and a worker's Redis user may not write them.
        task_queues={queue: {"exchange": queue, "no_declare": True} for queue in queues},
        task_ignore_result=True,
        task_acks_late=False,  # the lease decides; a late ack that meets a dead broker wedges Celery
        worker_disable_prefetch=True,  # a busy worker leaves the next doorbell to an idle one
        task_publish_retry=False,  # the outbox retries
        task_serializer="json",
        accept_content=["json"],
        worker_prefetch_multiplier=1,
        worker_cancel_long_running_tasks_on_connection_loss=False,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        worker_proc_alive_timeout=600,  # longer than any engine takes to load
        worker_soft_shutdown_timeout=30,
        worker_hijack_root_logger=False,
        **encryption(broker_url, ca_file),
    )
    return app


def encryption(broker_url: str, ca_file: str) -> dict[str, Any]:
    """The settings of a rediss:// broker: the server proves who it is, by the pin or by its host's name."""
    if not broker_url.startswith("rediss:"):
        return {}
    proven = {"ssl_cert_reqs": ssl.CERT_REQUIRED, "ssl_check_hostname": not ca_file}
    if not ca_file:
        return {"broker_use_ssl": proven}
    return {
        "broker_use_ssl": {**proven, "ssl_ca_certs": ca_file},
        "broker_transport": "tasks.app:PinnedTransport",
    }


def consume(app: Celery, name: str, queues: list[str], processes: int, log_level: str) -> list[str]:
    """The arguments of a worker process that speaks to nobody but its queues."""
    return [
        "worker",
        f"--hostname={name}@%h",
        "--pool=prefork",
        f"--concurrency={processes}",
        f"--queues={','.join(queues)}",
        "--without-gossip",
        "--without-mingle",
        "--without-heartbeat",
        f"--loglevel={log_level}",
    ]
