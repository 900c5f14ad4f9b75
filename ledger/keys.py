"""Redis keys of the ledger. The Lua scripts build the same names. guard/keys.py and access/keys.py list
those of their packages. tests/e2e/test_key_table.py compares all tables with a busy ledger.

umpire:req:<queue id>        hash   the record: see `FIELDS`
umpire:body:<queue id>       string StoredRequest as JSON; removed when the request ends
umpire:queued:<provider>     zset   queued records by the time (ms) their message was last pushed
umpire:deferred:<provider>   zset   deferred records by their not-before time (ms)
umpire:fetched:<provider>    zset   pointers that workers hold and have not claimed yet, by their last heartbeat (ms)
umpire:parked:<provider>:<model> zset deferred records that wait for their model's hold to end, by since when (ms)
umpire:claimed:<worker>      hash   queue ids that the worker's last claims leased, by claim number, for two minutes
umpire:leases                zset   processing records by the end (ms) of their lease
umpire:expiry                zset   unfinished records by the end (ms) of their time to live; its size is the ledger's
umpire:bytes                 string bytes of the bodies of unfinished records, and of the events in the outbox
umpire:refusing              string exists while the ledger refuses: from its high watermark until its low one
umpire:held                  hash   unfinished records by provider, and the bytes of their bodies by <provider>.bytes
umpire:outbox                stream results that Kafka has not confirmed yet: i queue id, t topic, k key, e event,
                             f 1 if the topic is forbidden to the request's owner, n number of the redelivery
umpire:outbox:due            zset   outbox entries that no process is sending, by the time (ms) of their next try
umpire:outbox:doubted        zset   entries whose topic Kafka does not know, by when (ms) that was first reported
umpire:dead                  zset   queue ids of dead letters, by when (ms) Kafka refused them for good
umpire:dead:<queue id>       hash   a dead letter: t topic, k key, e event, r reason
umpire:result:<queue id>     hash   a kept result: t topic, k key, e event, w owner, n how often it was redelivered
umpire:results               stream kept results, the oldest first: i queue id, n bytes that it takes
umpire:results:bytes         string bytes that the kept results take
umpire:answer:<queue id>     string a result event, kept for half a minute, only if a client waits for it
umpire:replies:<process>     channel results that this API process waits for: the queue id, then the event
umpire:workers               zset   live worker processes, "provider|owner", by the time (ms) their last heartbeat ends
umpire:day:<yyyy-mm-dd>      hash   the day's totals: requests, cost, <provider>.<status>, and requests.<key id>
umpire:totals                hash   the books, never reset: accepted.<provider>, ended.<provider>.<status>.<error code>
                             ('-' for a verdict), and base, with which they begin: see scripts/books.lua
umpire:once:<hash>           string the fingerprint of the request of an Idempotency-Key, then its queue id; of a
                             redelivery: the queue id, then the number of the redelivery
umpire:nothing               string never exists: SET … XX on it tests whether Redis takes writes, and changes nothing
umpire:custodian             string the owner of the maintenance lock
umpire:resender              string the owner of the lock for resending the outbox
umpire:apikey:<key id>       hash   an API key, never the key itself: see `FIELDS` of access/api_key.py
umpire:apikeys               set    ids of all API keys, revoked ones too
umpire:owned                 hash   unfinished requests by the id of the API key that submitted them
umpire:spent:<yyyy-mm-dd>    hash   cost in USD of the day's finished requests by the id of the API key
umpire:alerted:<yyyy-mm-dd>  set    "<key id> <share>" of cost limits whose alert was sent that day

Keys of the broker, which Celery (kombu) reads as well:

umpire.<provider>            list   a provider's most urgent messages; the last element is consumed next
umpire.<provider>:<step>     list   its messages of a lower priority step
_kombu.binding.<exchange>    set    written by kombu: the queues of an exchange
_kombu.binding_permanent.<exchange> set written by kombu
_kombu.binding_deadlines     zset   written by kombu
"""

from collections.abc import Callable
from datetime import date

PREFIX = "umpire:"
LEASES = "umpire:leases"
EXPIRY = "umpire:expiry"
BYTES = "umpire:bytes"
REFUSING = "umpire:refusing"
OUTBOX = "umpire:outbox"
DEAD = "umpire:dead"
RESULTS = "umpire:results"
RESULTS_BYTES = "umpire:results:bytes"
WORKERS = "umpire:workers"
API_KEYS = "umpire:apikeys"
OWNED = "umpire:owned"
CUSTODIAN = "umpire:custodian"
RESENDER = "umpire:resender"
NOTHING = "umpire:nothing"

#: Fields of a record, short because there are 200,000 of them.
FIELDS = {
    "s": "state: queued, deferred, processing, or a terminal QueueStatus",
    "p": "provider",
    "q": "broker priority, 0 first",
    "n": "bytes of its body",
    "e": "end of its time to live, ms",
    "r": "API process that waits for the result, or empty",
    "t": "tries: deferrals that counted",
    "l": "lapsed leases",
    "u": "when its message was last pushed, ms",
    "o": "owner of the lease",
    "x": "attempts and cost of its claims so far, while it is queued or deferred again",
    "w": "owner: id of the API key that submitted it; absent if the API runs without keys",
    "c": "fencing token: number of the claim among its worker's claims",
    "h": "how long (ms) its provider had been on hold when it was admitted; absent if its caller set its time to live",
    "k": "parked: since when (ms), and the model whose hold must end",
    "d": "ms that it was parked before",
}


def named(name: str) -> Callable[[str], str]:
    return lambda of: f"{PREFIX}{name}:{of}"


def daily(name: str) -> Callable[[date], str]:
    return lambda of: f"{PREFIX}{name}:{of.isoformat()}"


#: By queue id.
record, body, answer, dead, result = map(named, ("req", "body", "answer", "dead", "result"))
#: By provider.
queued, deferred = named("queued"), named("deferred")
#: By the hash of an Idempotency-Key, the id of an API key, and the name of an API process.
idempotency, api_key, replies = named("once"), named("apikey"), named("replies")
#: By day.
day, spent, alerted = daily("day"), daily("spent"), daily("alerted")
