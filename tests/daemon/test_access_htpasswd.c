/* SPDX-License-Identifier: BSD-2-Clause
 *
 * The password file: which lines are taken, which are errors and say where; and what is verified.
 */
#include <criterion/criterion.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "access/htpasswd.h"

/* All of the password "secret". */
#define BCRYPT "$2y$04$zcx60PCWqgHzq0w4XuXG1OglNVer0qtBgXZmOD1QUUs91chmjJHc2"
#define YESCRYPT "$y$j75$abcdefgh$uMUXG79B2cFpoAYyDccUnsaH/aGTyBYMlnQidzyag01"
#define YESCRYPT_USUAL "$y$j9T$abcdefgh$IUWJt2doU4Kf6E/JP1UkAT3S5O3Q7SSA8SJirXIlEu9"
#define SHA512                                                                                     \
    "$6$rounds=1000$abcdefgh$nhYjN017qxiYztzyUpZtPnUQcnLy62KsunSLHNeLahp2EHPlAKmFFlrjEwSXGo2kgY5"  \
    "hR2.peKEg2VGUqIJJu1"
#define MD5 "$1$abcd$Oy8OD9LGKv7H9yIMreLNV1"

static char why[512];

static int parse(struct htpasswd **h, const char *text)
{
    return htpasswd_parse(h, "users", text, strlen(text), why, sizeof(why));
}

static void expect_error(const char *text, const char *place, const char *word)
{
    struct htpasswd *h;

    cr_assert_eq(parse(&h, text), DIVE_E_SYNTAX, "%s", text);
    cr_assert_null(h);
    cr_assert_eq(strncmp(why, place, strlen(place)), 0, "%s", why);
    cr_assert_not_null(strstr(why, word), "%s", why);
    cr_assert_null(strstr(why, "abcd"), "no hash is told: %s", why);
}

Test(test_access_htpasswd, each_kind_of_hash_is_verified)
{
    static const char *const hashes[] = {BCRYPT, YESCRYPT, YESCRYPT_USUAL, SHA512};

    for (size_t i = 0; i < sizeof(hashes) / sizeof(hashes[0]); i++) {
        char line[256];
        struct htpasswd *h;

        snprintf(line, sizeof(line), "alice:%s\n", hashes[i]);
        cr_assert_eq(parse(&h, line), 0, "%s", why);
        cr_assert_str_eq(htpasswd_find(h, "alice"), hashes[i]);
        cr_assert(htpasswd_verify(htpasswd_find(h, "alice"), "secret"), "%s", hashes[i]);
        cr_assert_not(htpasswd_verify(htpasswd_find(h, "alice"), "Secret"));
        cr_assert_not(htpasswd_verify(htpasswd_find(h, "alice"), ""));
        htpasswd_free(&h);
        cr_assert_null(h);
    }
    cr_assert_not(htpasswd_verify("*0", "secret"));
    cr_assert_not(htpasswd_verify("", ""));
}

Test(test_access_htpasswd, lines)
{
    struct htpasswd *h;

    cr_assert_eq(parse(&h, "# a comment: not a user\n\nbob:" BCRYPT "\r\nalice:" YESCRYPT
                           "\nj\xc3\xb6rg:" SHA512),
                 0, "%s", why);
    cr_assert_eq(htpasswd_count(h), 3);
    cr_assert_str_eq(htpasswd_find(h, "bob"), BCRYPT);
    cr_assert_str_eq(htpasswd_find(h, "alice"), YESCRYPT);
    cr_assert_str_eq(htpasswd_find(h, "j\xc3\xb6rg"), SHA512);
    cr_assert_null(htpasswd_find(h, "Bob"));
    cr_assert_null(htpasswd_find(h, "bo"));
    cr_assert_null(htpasswd_find(h, "bobb"));
    cr_assert_null(htpasswd_find(h, ""));
    cr_assert_null(htpasswd_find(h, "# a comment"));
    htpasswd_free(&h);
    cr_assert_eq(parse(&h, ""), 0);
    cr_assert_eq(htpasswd_count(h), 0);
    cr_assert_null(htpasswd_find(h, "bob"));
    cr_assert_not(htpasswd_verify(htpasswd_decoy(h), "x"));
    htpasswd_free(&h);
}

Test(test_access_htpasswd, what_is_too_weak_is_an_error)
{
    expect_error("bob:" BCRYPT "\nalice:" MD5 "\n", "users:2:", "htpasswd -B");
    expect_error("alice:$apr1$abcdabcd$0AAAAAAAAAAAAAAAAAAAA.\n", "users:1:", "htpasswd -B");
    expect_error("alice:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=\n", "users:1:", "htpasswd -B");
    expect_error("alice:abcdEFGHIJKLM\n", "users:1:", "htpasswd -B"); /* DES */
    expect_error("\n\nalice:secret\n", "users:3:", "htpasswd -B");    /* plain text */
    expect_error("alice:\n", "users:1:", "htpasswd -B");
    expect_error("alice:$5$abcdabcd$AAAA\n", "users:1:", "htpasswd -B");
    expect_error("alice:!\n", "users:1:", "htpasswd -B");
}

Test(test_access_htpasswd, what_is_no_line_is_an_error)
{
    expect_error("alice\n", "users:1:", "colon");
    expect_error(":" BCRYPT "\n", "users:1:", "user");
    expect_error("a\xff:" BCRYPT "\n", "users:1:", "UTF-8");
    expect_error("a\tb:" BCRYPT "\n", "users:1:", "control");
    expect_error("alice:" BCRYPT ":extra\n", "users:1:", "second colon");
    expect_error("alice:" BCRYPT " \n", "users:1:", "character");
    expect_error("b:" BCRYPT "\na:" BCRYPT "\nb:" SHA512 "\n", "users:3:", "line 1");
}

Test(test_access_htpasswd, costs_are_bounded)
{
    struct htpasswd *h;

    cr_assert_eq(parse(&h, "a:$2y$14$zcx60PCWqgHzq0w4XuXG1OglNVer0qtBgXZmOD1QUUs91chmjJHc2"), 0);
    htpasswd_free(&h);
    expect_error("a:$2y$15$zcx60PCWqgHzq0w4XuXG1OglNVer0qtBgXZmOD1QUUs91chmjJHc2",
                 "users:1:", "cost");
    expect_error("a:$2y$03$zcx60PCWqgHzq0w4XuXG1OglNVer0qtBgXZmOD1QUUs91chmjJHc2",
                 "users:1:", "cost");
    expect_error("a:$2y$10$zcx60PCWqgHzq0w4XuXG1Ogl", "users:1:", "cut");
    cr_assert_eq(parse(&h, "a:$6$rounds=1000000$abcd$AAAA"), 0, "%s", why);
    htpasswd_free(&h);
    expect_error("a:$6$rounds=1000001$salt$AAAA", "users:1:", "cost");
    expect_error("a:$6$rounds=$salt$AAAA", "users:1:", "cost");
    cr_assert_eq(parse(&h, "a:$y$jBT$abcdefgh$AAAA"), 0, "%s", why);
    htpasswd_free(&h);
    expect_error("a:$y$jCT$efgh$AAAA", "users:1:", "cost");
    expect_error("a:$y$jDT$efgh$AAAA", "users:1:", "cost");
    expect_error("a:$y$j9U$efgh$AAAA", "users:1:", "cost");
    expect_error("a:$y$", "users:1:", "cost");
    expect_error("a:$y$j", "users:1:", "cost");
    expect_error("a:$y$j9", "users:1:", "cost");
}

/* Who isn't there costs what the costliest one does. */
Test(test_access_htpasswd, the_decoy_is_the_costliest)
{
    struct htpasswd *h;

    cr_assert_eq(parse(&h, "a:" SHA512 "\nb:" YESCRYPT_USUAL "\nc:" BCRYPT "\n"), 0);
    cr_assert_eq(strncmp(htpasswd_decoy(h), YESCRYPT_USUAL, 16), 0, "%s", htpasswd_decoy(h));
    cr_assert_not(htpasswd_verify(htpasswd_decoy(h), "secret"));
    htpasswd_free(&h);
}

Test(test_access_htpasswd, files)
{
    char path[] = "/tmp/dived-htpasswd.XXXXXX";
    int fd = mkstemp(path);
    struct htpasswd *h;

    cr_assert_geq(fd, 0);
    cr_assert_eq(write(fd, "alice:" BCRYPT "\n", strlen("alice:" BCRYPT "\n")),
                 (ssize_t)strlen("alice:" BCRYPT "\n"));
    cr_assert_eq(htpasswd_load(&h, path, why, sizeof(why)), 0, "%s", why);
    cr_assert_not_null(htpasswd_find(h, "alice"));
    htpasswd_free(&h);
    cr_assert_eq(fchmod(fd, 0602), 0);
    cr_assert_eq(htpasswd_load(&h, path, why, sizeof(why)), DIVE_E_NOT_FOUND);
    cr_assert_not_null(strstr(why, "everybody can write"), "%s", why);
    cr_assert_eq(fchmod(fd, 0664), 0);
    cr_assert_eq(htpasswd_load(&h, path, why, sizeof(why)), 0, "%s", why);
    htpasswd_free(&h);
    cr_assert_eq(ftruncate(fd, HTPASSWD_FILE_MAX + 1), 0);
    cr_assert_eq(htpasswd_load(&h, path, why, sizeof(why)), DIVE_E_LIMIT);
    cr_assert_null(h);
    close(fd);
    unlink(path);
    cr_assert_eq(htpasswd_load(&h, path, why, sizeof(why)), DIVE_E_NOT_FOUND);
    cr_assert_not_null(strstr(why, path), "%s", why);
    cr_assert_eq(htpasswd_load(&h, "/tmp", why, sizeof(why)), DIVE_E_NOT_FOUND);
    cr_assert_eq(mkfifo(path, 0600), 0);
    cr_assert_eq(htpasswd_load(&h, path, why, sizeof(why)), DIVE_E_NOT_FOUND);
    unlink(path);
}
