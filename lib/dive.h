/* SPDX-License-Identifier: BSD-2-Clause
 *
 * dive: all public headers of libdive, installed as <dive/dive.h>. A program that verifies needs
 * verifier.h alone, one that signs signer.h; docs/library.md begins there.
 */
#ifndef DIVE_DIVE_H
#define DIVE_DIVE_H

#include "content_digest.h"
#include "crypto.h"
#include "dive_sig.h"
#include "domain.h"
#include "error.h"
#include "key_record.h"
#include "message.h"
#include "policy_record.h"
#include "record_cache.h"
#include "sf.h"
#include "signature_base.h"
#include "signature_input.h"
#include "signer.h"
#include "verifier.h"

#endif
