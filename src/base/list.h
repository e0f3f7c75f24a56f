/* SPDX-License-Identifier: GPL-2.0-or-later */
/* list.h - doubly linked list through a member of the object; the owner of the objects is elsewhere.
 * A list_node is zero while it is in no list (INV-30: leaving a list clears what it said).
 */
#ifndef TRELAY_BASE_LIST_H
#define TRELAY_BASE_LIST_H

#include <stdbool.h>
#include <stddef.h>

struct list_node {
    struct list_node *next, *previous;
};

struct list {
    struct list_node head;
};

static inline void list_init(struct list *list)
{
    list->head.next = list->head.previous = &list->head;
}

static inline bool list_is_empty(const struct list *list)
{
    return list->head.next == &list->head;
}

static inline bool list_holds(const struct list_node *node)
{
    return node->next != NULL;
}

static inline void list_append(struct list *list, struct list_node *node)
{
    node->previous = list->head.previous;
    node->next = &list->head;
    list->head.previous->next = node;
    list->head.previous = node;
}

/* Allowed for a node that is in no list. */
static inline void list_remove(struct list_node *node)
{
    if (node->next == NULL)
        return;
    node->previous->next = node->next;
    node->next->previous = node->previous;
    node->next = node->previous = NULL;
}

/* The first node, taken out; NULL when empty. */
static inline struct list_node *list_take_first(struct list *list)
{
    if (list_is_empty(list))
        return NULL;
    struct list_node *node = list->head.next;
    list_remove(node);
    return node;
}

/* NODE must not be removed in the body; list_for_each_safe allows that. */
#define list_for_each(node, list) \
    for (struct list_node *node = (list)->head.next; node != &(list)->head; node = node->next)
#define list_for_each_safe(node, list)                                                                  \
    for (struct list_node *node = (list)->head.next, *node##_next = node->next; node != &(list)->head; \
         node = node##_next, node##_next = node->next)

#endif
