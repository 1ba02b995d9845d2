/* SPDX-License-Identifier: BSD-2-Clause
 *
 * divectl verify: downloads, hashes, drops the content, and tells all that was checked.
 */
#include <stdio.h>

#include "cmd/transfer.h"

int command_verify(const struct command *command, int argc, char **argv)
{
    struct download_result result = {0};
    struct transfer transfer;
    json_t *object;
    int code, r = transfer_open(&transfer, command, argc, argv, false);

    if (r != 0) {
        transfer_clear(&transfer);
        return r < 0 ? COMMAND_OK : r;
    }
    download_run(transfer.runtime, &transfer.download, &result);
    code = transfer_exit(&transfer, &result);
    if (transfer.common.json) {
        object = transfer_json(&transfer, &result, NULL);
        r = object != NULL ? command_print_json(object) : EX_OSERR;
        json_decref(object);
    } else if (!transfer.quiet) {
        transfer_print(&transfer, &result);
    }
    if (result.end == DOWNLOAD_FAILED && (transfer.common.json || transfer.quiet))
        command_error("%s", result.error);
    else if (code != COMMAND_OK && transfer.quiet && !transfer.common.json)
        transfer_print_decision(stderr, &transfer, &result);
    if (fflush(stdout) != 0)
        r = EX_IOERR;
    download_result_clear(&result);
    transfer_clear(&transfer);
    return code != COMMAND_OK ? code : r;
}
