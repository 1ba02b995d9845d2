/* SPDX-License-Identifier: BSD-2-Clause
 *
 * YAML to nodes: places, limits, and all of YAML that is refused.
 */
#include <criterion/criterion.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/tree.h"

static int parse(struct arena *arena, const char *text, struct node **root,
                 struct config_problems *problems)
{
    return tree_parse(arena, NULL, text, strlen(text), root, problems);
}

Test(test_config_tree, nodes_know_their_place)
{
    struct config_problems problems = {0};
    struct arena arena = {0};
    struct node *root, *node;

    cr_assert_eq(parse(&arena, "a: 1\nb:\n  - x\n  - {c: 'null'}\nd: ~\n", &root, &problems), 0);
    cr_assert_eq(problems.errors, 0);
    cr_assert_eq(root->kind, NODE_MAP);
    cr_assert_eq(root->n, 3);
    node = node_get(root, "b");
    cr_assert_eq(node->kind, NODE_LIST);
    cr_assert_eq(node->n, 2);
    cr_assert_eq(node->key_place.line, 2);
    cr_assert_eq(node->key_place.column, 1);
    cr_assert_str_eq(node->first->text, "x");
    cr_assert_eq(node->first->place.line, 3);
    cr_assert_eq(node->first->place.column, 5);
    node = node_get(node->last, "c");
    cr_assert_str_eq(node->text, "null");
    cr_assert_not(node_is_null(node), "quoted: a text");
    cr_assert_eq(node->place.line, 4);
    cr_assert_eq(node->place.column, 9);
    cr_assert(node_is_null(node_get(root, "d")));
    cr_assert_null(node_get(root, "e"));
    arena_free(&arena);
    config_problems_free(&problems);
}

Test(test_config_tree, empty_documents)
{
    static const char *const texts[] = {"", "\n", "# nothing\n"};
    struct config_problems problems = {0};
    struct arena arena = {0};
    struct node *root;

    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        cr_assert_eq(parse(&arena, texts[i], &root, &problems), 0);
        cr_assert_null(root);
    }
    arena_free(&arena);
}

/* Each is an error at its place, whether or not the rest of the tree could be made. */
Test(test_config_tree, refused)
{
    static const struct {
        const char *text;
        unsigned line, column;
        const char *says;
    } cases[] = {
        {"a: &x 1\n", 1, 4, "anchors"},
        {"a: &x [1]\n", 1, 4, "anchors"},
        {"a: &x {b: 1}\n", 1, 4, "anchors"},
        {"a: 1\nb: *x\n", 2, 4, "aliases"},
        {"a: [*.example]\n", 1, 5, "begins with * must be in quotes"},
        {"a: !!str 1\n", 1, 4, "tags"},
        {"a: !x [1]\n", 1, 4, "tags"},
        {"!!map {a: 1}\n", 1, 1, "tags"},
        {"&x a: 1\n", 1, 1, "anchors"},
        {"a: 1\n---\nb: 1\n", 2, 1, "second document"},
        {"%TAG ! tag:x.example,2000:\n---\na: 1\n", 1, 1, "%TAG"},
        {"a: 1\nb: 2\na: 3\n", 3, 1, "given twice; it stands in line 1"},
        {"a: {b: 1, b: 2}\n", 1, 11, "given twice"},
        {"? [a]\n: 1\n", 1, 3, "a key must be a word"},
        {"? {a: 1}\n: 1\n", 1, 3, "a key must be a word"},
        {"a: \"x\\ny\"\n", 1, 4, "control character"},
        {"a: \"x\\0y\"\n", 1, 4, "control character"},
        {"a: \"x\\x1by\"\n", 1, 4, "control character"},
        {"\"a\\0\": 1\n", 1, 1, "control character"},
        {"a: |\n  x\n", 1, 4, "control character"},
        {"a: [1\n", 2, 1, "YAML: "},
        {"a: 1\n b: 2\n", 2, 3, "YAML: "},
        {"a: \"x\n", 2, 1, "YAML: "},
        {"\ta: 1\n", 1, 1, "YAML: "},
        {"a: @x\n", 1, 4, "YAML: "},
        {"a: 1\nb: \xff\n", 2, 4, "write the file in UTF-8"},
        {"a: \xc3\xa4\xc3\xa4 \xff\n", 1, 7, "write the file in UTF-8"},
        {"a: 1\nb: \x01\n", 2, 4, "control characters"},
        {"a:\n\tb: 1\n", 2, 1, "indent it with spaces"},
        {"a: [::1/128]\n", 1, 5, "begins with : must be in quotes"},
        {"a: {b: 1,\n", 2, 1, "is it still being written?"},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct config_problems problems = {0};
        struct arena arena = {0};
        struct node *root;
        int r = parse(&arena, cases[i].text, &root, &problems);

        cr_assert(r == 0 || r == DIVE_E_SYNTAX);
        cr_assert(r == 0 || !root);
        cr_assert_geq(problems.errors, 1, "%s", cases[i].text);
        cr_assert_eq(problems.v[0].line, cases[i].line, "%s: line %u", cases[i].text,
                     problems.v[0].line);
        cr_assert_eq(problems.v[0].column, cases[i].column, "%s: column %u", cases[i].text,
                     problems.v[0].column);
        cr_assert(strstr(problems.v[0].text, cases[i].says), "%s: %s", cases[i].text,
                  problems.v[0].text);
        arena_free(&arena);
        config_problems_free(&problems);
    }
}

static int parse_nested(size_t depth, struct config_problems *problems)
{
    char text[256] = "";
    struct arena arena = {0};
    struct node *root;
    int r;

    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    r = parse(&arena, text, &root, problems);
    arena_free(&arena);
    return r;
}

Test(test_config_tree, depth_is_bounded)
{
    struct config_problems problems = {0};

    cr_assert_eq(parse_nested(TREE_DEPTH_MAX, &problems), 0);
    cr_assert_eq(problems.errors, 0);
    cr_assert_eq(parse_nested(TREE_DEPTH_MAX + 1, &problems), DIVE_E_SYNTAX);
    cr_assert_eq(problems.errors, 1);
    config_problems_free(&problems);
}

/* `n` times `piece`, between `before` and `after`. */
static int parse_many(const char *before, const char *piece, size_t n, const char *after,
                      struct config_problems *problems)
{
    size_t size = strlen(before) + n * strlen(piece) + strlen(after) + 1;
    char *text = malloc(size);
    char *p = text;
    struct arena arena = {0};
    struct node *root;
    int r;

    p = stpcpy(p, before);
    for (size_t i = 0; i < n; i++)
        p = stpcpy(p, piece);
    stpcpy(p, after);
    r = parse(&arena, text, &root, problems);
    arena_free(&arena);
    free(text);
    return r;
}

Test(test_config_tree, lists_and_nodes_are_bounded)
{
    struct config_problems problems = {0};

    cr_assert_eq(parse_many("[", "1,", CONFIG_LIST_MAX, "]", &problems), 0);
    cr_assert_eq(parse_many("[", "1,", CONFIG_LIST_MAX + 1, "]", &problems), DIVE_E_SYNTAX);
    cr_assert(strstr(problems.v[0].text, "in one list"));
    /* the list and 5 nodes a piece */
    cr_assert_eq(parse_many("[", "[1,1,1,1],", TREE_NODES_MAX / 5 - 1, "]", &problems), 0);
    cr_assert_eq(parse_many("[", "[1,1,1,1],", TREE_NODES_MAX / 5, "]", &problems), DIVE_E_SYNTAX);
    cr_assert(strstr(problems.v[1].text, "in one file"));
    config_problems_free(&problems);
}

static int parse_keys(size_t n, struct config_problems *problems)
{
    char *text = malloc(n * 16 + 1);
    char *p = text;
    struct arena arena = {0};
    struct node *root;
    int r;

    for (size_t i = 0; i < n; i++)
        p += sprintf(p, "k%zu: 1\n", i);
    r = parse(&arena, text, &root, problems);
    arena_free(&arena);
    free(text);
    return r;
}

Test(test_config_tree, keys_are_bounded)
{
    struct config_problems problems = {0};

    cr_assert_eq(parse_keys(TREE_KEYS_MAX, &problems), 0);
    cr_assert_eq(parse_keys(TREE_KEYS_MAX + 1, &problems), DIVE_E_SYNTAX);
    config_problems_free(&problems);
}
