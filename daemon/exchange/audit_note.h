/* SPDX-License-Identifier: BSD-2-Clause
 *
 * audit_note: what of an exchange or a tunnel the audit store gets, and the live view. Decides what
 * is worth keeping (audit/event.h has the kinds); where it goes isn't known here.
 */
#ifndef DIVED_EXCHANGE_AUDIT_NOTE_H
#define DIVED_EXCHANGE_AUDIT_NOTE_H

#include "exchange/access_log.h"
#include "worker/worker.h"

struct exchange;

/* Once, when the exchange is over and its heads and verifier are still there. */
void audit_note_exchange(const struct exchange *x);
/* A tunnel's entry of the access log. */
void audit_note_tunnel(struct worker *worker, const struct access_entry *entry);

#endif
