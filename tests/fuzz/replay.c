/* SPDX-License-Identifier: BSD-2-Clause
 *
 * replay: runs one fuzz target over all files of the folders (or over the files) named on the
 * command line, without libFuzzer, so that the seeds and the inputs that once failed are tests like
 * any other. Fails when an input can't be read or there is none: a test that cannot fail is a
 * defect.
 */
#include <dirent.h>
#include <sys/stat.h>

#include "tests/fuzz/fuzz.h"

enum { INPUT_MAX = 1 << 20 };

static bool run_file(const char *path)
{
    FILE *file = fopen(path, "rb");
    char *bytes = malloc(INPUT_MAX + 1);
    size_t n;
    bool ok = false;

    if (file && bytes) {
        n = fread(bytes, 1, INPUT_MAX + 1, file);
        ok = !ferror(file) && n <= INPUT_MAX;
        if (ok) {
            char *exact = fuzz_copy(bytes, n);

            (void)LLVMFuzzerTestOneInput((const uint8_t *)exact, n);
            free(exact);
        }
    }
    if (!ok)
        fprintf(stderr, "replay: %s can't be read, or is larger than 1 MiB\n", path);
    if (file)
        fclose(file);
    free(bytes);
    return ok;
}

static bool run_folder(const char *path, size_t *inputs)
{
    DIR *folder = opendir(path);
    struct dirent *entry;
    bool ok = folder != NULL;

    while (ok && (entry = readdir(folder)) != NULL) {
        char name[4096];

        if (entry->d_name[0] == '.')
            continue;
        ok = snprintf(name, sizeof name, "%s/%s", path, entry->d_name) < (int)sizeof name &&
             run_file(name);
        *inputs += ok;
    }
    if (folder)
        closedir(folder);
    else
        fprintf(stderr, "replay: %s can't be opened\n", path);
    return ok;
}

int main(int argc, char **argv)
{
    const char *name = strrchr(argv[0], '/');
    size_t inputs = 0;

    for (int i = 1; i < argc; i++) {
        struct stat st;
        bool is_folder = stat(argv[i], &st) == 0 && S_ISDIR(st.st_mode);

        if (is_folder ? !run_folder(argv[i], &inputs) : !run_file(argv[i]))
            return EXIT_FAILURE;
        inputs += !is_folder;
    }
    printf("%s: %zu inputs\n", name ? name + 1 : argv[0], inputs);
    return inputs > 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}
