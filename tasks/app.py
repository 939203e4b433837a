"""Celery as the farm uses it: doorbells on direct queues, no results, no retries, no events."""

from typing import Any

from celery import Celery

TRANSPORT: dict[str, Any] = {
    "visibility_timeout": 3600,  # far beyond a batch; the claim drops what is delivered twice all the same
    "socket_keepalive": True,
    "socket_timeout": 30,
    "health_check_interval": 25,
}


def celery_app(name: str, broker_url: str, queues: list[str]) -> Celery:
    """An app that consumes `queues` and nothing else (none: it only publishes)."""
    app = Celery(name, broker=broker_url, set_as_current=False)
    app.conf.update(
        broker_transport_options=TRANSPORT,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_queues={queue: {} for queue in queues},
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
    )
    return app


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
