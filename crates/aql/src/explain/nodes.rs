//! Nodes with the fields of ArangoDB's explain (`execution.md` §2.4).

use super::Printer;
use crate::expr::{Expr, VarId};
use crate::plan::{
    Aggregate, Collect, CollectMethod, Direction, GraphUse, IndexScan, Modify, ModifyKind, ModifyOptions, NodeKind, Paths, PathsKind, Scan,
    SortElement, Traversal, TraversalOptions, Upsert, Window,
};
use database::catalog::Index;
use serde_json::{Map, Value as Json, json};

/// Fields of several groups as one object.
fn joined(groups: impl IntoIterator<Item = Json>) -> Json {
    let mut all = Map::new();
    for group in groups {
        if let Json::Object(fields) = group {
            all.extend(fields);
        }
    }
    Json::Object(all)
}

impl Printer<'_> {
    /// Name of the node's type and its specific fields.
    pub(super) fn kind(&self, kind: &NodeKind) -> (&'static str, Json) {
        match kind {
            NodeKind::Singleton => ("SingletonNode", json!({"bindParameterVariables": {}})),
            NodeKind::EnumerateCollection(scan) => {
                ("EnumerateCollectionNode", joined([hints(scan), self.scan(scan), self.access(&scan.collection)]))
            }
            NodeKind::Index(scan) => ("IndexNode", self.index(scan)),
            NodeKind::EnumerateList { input, out } => {
                ("EnumerateListNode", json!({"inVariable": self.var(*input), "outVariable": self.var(*out), "mode": "array"}))
            }
            NodeKind::Calculation { expr, out } => ("CalculationNode", self.calculation(expr, *out)),
            NodeKind::Subquery { plan, out, is_const } => {
                let subquery = json!({"nodes": self.plan(plan), "variables": []});
                ("SubqueryNode", json!({"subquery": subquery, "outVariable": self.var(*out), "isConst": is_const}))
            }
            NodeKind::Filter { input } => ("FilterNode", json!({"inVariable": self.var(*input)})),
            NodeKind::Sort { elements, limit } => {
                let strategy = if limit.is_some() { "constrained-heap" } else { "standard" };
                let fields = json!({"elements": self.elements(elements), "numberOfTopGroupedElements": 0, "stable": false,
                    "limit": limit.unwrap_or(0), "strategy": strategy});
                ("SortNode", fields)
            }
            NodeKind::Limit { offset, count, full_count } => {
                ("LimitNode", json!({"offset": offset, "limit": count, "fullCount": full_count}))
            }
            NodeKind::Collect(collect) => ("CollectNode", self.collect(collect)),
            NodeKind::Window(window) => ("WindowNode", self.window(window)),
            NodeKind::Return { input } => ("ReturnNode", json!({"inVariable": self.var(*input), "count": true})),
            NodeKind::NoResults => ("NoResultsNode", json!({})),
            NodeKind::Modify(modify) => self.modify(modify),
            NodeKind::Upsert(upsert) => ("UpsertNode", self.upsert(upsert)),
            NodeKind::Traversal(traversal) => ("TraversalNode", self.traversal(traversal)),
            NodeKind::Paths(paths) => self.paths(paths),
            NodeKind::Remote { .. } => (
                "RemoteNode",
                json!({"database": "", "server": "", "ownName": "", "queryId": "", "isResponsibleForInitializeCursor": true}),
            ),
            NodeKind::Scatter => ("ScatterNode", json!({"clients": [], "scatterType": 0})),
            NodeKind::Gather { elements } => {
                let mode = if elements.is_empty() { "unset" } else { "minelement" };
                ("GatherNode", json!({"parallelism": "parallel", "sortmode": mode, "elements": self.elements(elements), "limit": 0}))
            }
        }
    }

    fn calculation(&self, expr: &Expr, out: VarId) -> Json {
        let kind = match expr {
            Expr::Const(_) => "json",
            Expr::Attribute(..) if expr.as_path().is_some() => "attribute",
            _ => "simple",
        };
        json!({"expression": self.expr(expr), "outVariable": self.var(out), "canThrow": false, "expressionType": kind})
    }

    fn elements(&self, elements: &[SortElement]) -> Vec<Json> {
        let print = |element: &SortElement| {
            let mut fields = json!({"inVariable": self.var(element.input), "ascending": element.ascending});
            if let (Json::Object(fields), false) = (&mut fields, element.path.is_empty()) {
                fields.insert("path".into(), json!(element.path));
            }
            fields
        };
        elements.iter().map(print).collect()
    }

    fn access(&self, collection: &str) -> Json {
        let shards = self.catalog.collection(collection).map_or(1, |info| info.number_of_shards);
        let mut fields = json!({"collection": collection, "satellite": false, "isSatellite": false, "isSatelliteOf": null});
        if let (Json::Object(fields), true) = (&mut fields, self.catalog.is_cluster()) {
            fields.insert("numberOfShards".into(), json!(shards));
        }
        fields
    }

    fn scan(&self, scan: &Scan) -> Json {
        let projections: Vec<Json> = scan.projections.iter().map(|path| json!({"path": path})).collect();
        let mut fields = json!({
            "outVariable": self.var(scan.out),
            "projections": projections,
            "filterProjections": [],
            "count": scan.count_only,
            "producesResult": !scan.count_only,
            "readOwnWrites": false,
            "useCache": true,
            "maxProjections": 5,
        });
        if let (Json::Object(fields), Some(filter)) = (&mut fields, &scan.filter) {
            fields.insert("filter".into(), self.expr(filter));
        }
        fields
    }

    fn index(&self, scan: &IndexScan) -> Json {
        let mut indexes: Vec<&Index> = Vec::new();
        for branch in &scan.branches {
            if !indexes.iter().any(|known| known.id == branch.index.id) {
                indexes.push(&branch.index);
            }
        }
        let indexes: Vec<Json> = indexes.into_iter().map(index_json).collect();
        let strategy = match (scan.scan.count_only, scan.covering) {
            (true, _) => "no document",
            (_, true) => "covering",
            _ => "document",
        };
        let own = json!({
            "strategy": strategy,
            "needsGatherNodeSort": scan.sorted,
            "indexCoversProjections": scan.covering,
            "indexCoversOutProjections": scan.covering,
            "indexCoversFilterProjections": false,
            "indexes": indexes,
            "condition": self.condition(scan.scan.out, &scan.branches),
            "allCoveredByOneIndex": scan.branches.len() == 1,
            "sorted": scan.sorted,
            "ascending": !scan.reverse,
            "reverse": scan.reverse,
            "evalFCalls": true,
            "waitForSync": false,
            "limit": 0,
            "isLateMaterialized": false,
            "lookahead": 1,
        });
        joined([self.scan(&scan.scan), self.access(&scan.scan.collection), own])
    }

    fn aggregates(&self, aggregates: &[Aggregate]) -> Vec<Json> {
        let print = |aggregate: &Aggregate| {
            let input = aggregate.input.map_or(Json::Null, |input| self.var(input));
            json!({"outVariable": self.var(aggregate.out), "inVariable": input, "type": aggregate.function})
        };
        aggregates.iter().map(print).collect()
    }

    fn collect(&self, collect: &Collect) -> Json {
        let method = match collect.method {
            CollectMethod::Hash => "hash",
            CollectMethod::Sorted => "sorted",
            CollectMethod::Distinct => "distinct",
            CollectMethod::Count => "count",
        };
        let groups: Vec<Json> =
            collect.groups.iter().map(|(out, input)| json!({"outVariable": self.var(*out), "inVariable": self.var(*input)})).collect();
        let keep: Vec<Json> = collect.keep.iter().map(|(_, var)| json!({"variable": self.var(*var)})).collect();
        let mut fields = json!({
            "groups": groups,
            "aggregates": self.aggregates(&collect.aggregates),
            "collectOptions": {"method": method},
            "isDistinctCommand": collect.method == CollectMethod::Distinct,
            "specialized": true,
        });
        if let (Json::Object(fields), Some(into)) = (&mut fields, collect.into) {
            fields.insert("outVariable".into(), self.var(into));
            match collect.into_expr {
                Some(expr) => fields.insert("expressionVariable".into(), self.var(expr)),
                None => fields.insert("keepVariables".into(), json!(keep)),
            };
        }
        fields
    }

    fn window(&self, window: &Window) -> Json {
        let bound = |bound: &Option<Expr>| match bound {
            Some(Expr::Const(value)) => value.to_serde(),
            _ => json!("unbounded"),
        };
        let mut fields = json!({
            "preceding": bound(&window.preceding),
            "following": bound(&window.following),
            "aggregates": self.aggregates(&window.aggregates),
        });
        if let (Json::Object(fields), Some(range)) = (&mut fields, window.range) {
            fields.insert("rangeVariable".into(), self.var(range));
        }
        fields
    }

    fn outs(&self, old: Option<VarId>, new: Option<VarId>) -> Json {
        let mut fields = Map::new();
        fields.extend(old.map(|old| ("outVariableOld".into(), self.var(old))));
        fields.extend(new.map(|new| ("outVariableNew".into(), self.var(new))));
        Json::Object(fields)
    }

    fn modify(&self, modify: &Modify) -> (&'static str, Json) {
        let (kind, inputs) = match (modify.kind, modify.key) {
            (ModifyKind::Insert, _) => ("InsertNode", json!({"inVariable": self.var(modify.document)})),
            (ModifyKind::Remove, _) => ("RemoveNode", json!({"inVariable": self.var(modify.document)})),
            (kind, key) => {
                let name = if kind == ModifyKind::Update { "UpdateNode" } else { "ReplaceNode" };
                let key = key.map_or_else(|| json!({}), |key| json!({"inKeyVariable": self.var(key)}));
                (name, joined([json!({"inDocVariable": self.var(modify.document)}), key]))
            }
        };
        let flags = modification_flags(&modify.options);
        (
            kind,
            joined([self.access(&modify.collection), self.primary(&modify.collection), inputs, self.outs(modify.old, modify.new), flags]),
        )
    }

    fn primary(&self, collection: &str) -> Json {
        let info = self.catalog.collection(collection).unwrap_or_default();
        let primary = info.indexes.iter().filter(|index| index.kind == "primary").map(index_json).collect::<Vec<_>>();
        json!({"indexes": primary, "countStats": true, "producesResults": false})
    }

    fn upsert(&self, upsert: &Upsert) -> Json {
        let inputs = json!({
            "inDocVariable": self.var(upsert.found),
            "insertVariable": self.var(upsert.insert),
            "updateVariable": self.var(upsert.update),
            "isReplace": upsert.replace,
            "canReadOwnWrites": true,
        });
        let flags = modification_flags(&upsert.options);
        joined([self.access(&upsert.collection), self.primary(&upsert.collection), inputs, self.outs(upsert.old, upsert.new), flags])
    }

    fn graph(graph: &GraphUse) -> Json {
        let names: Vec<&String> = graph.edges.iter().map(|(name, _)| name).collect();
        let mut edges: Vec<&String> = Vec::new();
        let mut directions: Vec<u32> = Vec::new();
        for (name, direction) in &graph.edges {
            let numbers: &[u32] = match direction {
                Direction::Inbound => &[1],
                Direction::Outbound => &[2],
                Direction::Any => &[2, 1],
            };
            edges.extend(numbers.iter().map(|_| name));
            directions.extend(numbers);
        }
        let default = match graph.direction {
            Direction::Any => 0,
            Direction::Inbound => 1,
            Direction::Outbound => 2,
        };
        let mut fields = json!({
            "graph": graph.name.as_ref().map_or_else(|| json!(names), |name| json!(name)),
            "defaultDirection": default,
            "directions": directions,
            "edgeCollections": edges,
            "vertexCollections": graph.vertices,
            "collectionToShard": {},
            "isSmart": false,
            "isDisjoint": false,
            "isLocalGraphNode": false,
            "isUsedAsSatellite": false,
        });
        if let (Json::Object(fields), Some(_)) = (&mut fields, &graph.name) {
            let definition = json!({"vertexCollectionNames": graph.vertices, "edgeCollectionNames": names});
            fields.insert("graphDefinition".into(), definition);
        }
        fields
    }

    /// The end of a path or traversal: a constant id or a variable.
    fn vertex(&self, var: VarId, variable_field: &str, id_field: &str) -> Json {
        let constant = find_constant(&self.query.plan.nodes, var);
        let (field, value) = match constant.as_ref().and_then(|value| value.as_slice().as_str()) {
            Some(id) => (id_field, json!(id)),
            None => (variable_field, self.var(var)),
        };
        let mut fields = Map::new();
        fields.insert(field.into(), value);
        Json::Object(fields)
    }

    fn edge_indexes(&self, graph: &GraphUse) -> Json {
        let mut base: Vec<Json> = Vec::new();
        for (collection, direction) in &graph.edges {
            let edge = self.catalog.collection(collection).and_then(|info| info.indexes.into_iter().find(|index| index.kind == "edge"));
            let fields: &[&str] = match direction {
                Direction::Outbound => &["_from"],
                Direction::Inbound => &["_to"],
                Direction::Any => &["_from", "_to"],
            };
            let edge = edge.unwrap_or_else(Index::edge);
            base.extend(fields.iter().map(|&field| {
                let collection = json!({"collection": collection});
                joined([index_json(&Index { fields: vec![field.into()], ..edge.clone() }), collection])
            }));
        }
        json!({"base": base, "levels": {}})
    }

    fn traversal(&self, traversal: &Traversal) -> Json {
        let mut own = json!({
            "options": traversal_options(&traversal.options, traversal.min_depth, traversal.max_depth),
            "indexes": self.edge_indexes(&traversal.graph),
            "conditionVariables": [],
            "globalEdgeConditions": traversal.edge_condition.iter().map(|expr| self.expr(expr)).collect::<Vec<_>>(),
            "globalVertexConditions": traversal.vertex_condition.iter().map(|expr| self.expr(expr)).collect::<Vec<_>>(),
        });
        if let Json::Object(own) = &mut own {
            let outs = [
                ("vertexOutVariable", traversal.vertex_out),
                ("edgeOutVariable", traversal.edge_out),
                ("pathOutVariable", traversal.path_out),
            ];
            own.extend(outs.into_iter().filter_map(|(field, var)| Some((field.to_owned(), self.var(var?)))));
            own.extend(traversal.prune.iter().map(|prune| ("expression".to_owned(), self.expr(prune))));
            for (field, conditions) in [("edgeConditions", &traversal.edge_conditions), ("vertexConditions", &traversal.vertex_conditions)]
            {
                if !conditions.is_empty() {
                    let by_depth: Map<String, Json> = conditions.iter().map(|(depth, expr)| (depth.to_string(), self.expr(expr))).collect();
                    own.insert(field.into(), Json::Object(by_depth));
                }
            }
        }
        joined([Self::graph(&traversal.graph), self.vertex(traversal.start, "inVariable", "vertexId"), own])
    }

    fn paths(&self, paths: &Paths) -> (&'static str, Json) {
        let start = self.vertex(paths.start, "startInVariable", "startVertexId");
        let target = self.vertex(paths.target, "targetInVariable", "targetVertexId");
        let (name, kind) = match paths.kind {
            PathsKind::Shortest => ("ShortestPathNode", "SHORTEST_PATH"),
            PathsKind::KShortest => ("EnumeratePathsNode", "K_SHORTEST_PATHS"),
            PathsKind::KPaths => ("EnumeratePathsNode", "K_PATHS"),
            PathsKind::AllShortest => ("EnumeratePathsNode", "ALL_SHORTEST_PATHS"),
        };
        let mut own = json!({
            "options": {
                "type": "shortestPath", "weightAttribute": paths.options.weight_attribute.as_deref().unwrap_or(""),
                "defaultWeight": paths.options.default_weight, "minDepth": paths.min_depth, "maxDepth": paths.max_depth,
            },
            "shortestPathType": kind,
        });
        if let Json::Object(own) = &mut own {
            let outs = [("vertexOutVariable", paths.vertex_out), ("edgeOutVariable", paths.edge_out), ("pathOutVariable", paths.path_out)];
            own.extend(outs.into_iter().filter_map(|(field, var)| Some((field.to_owned(), self.var(var?)))));
        }
        (name, joined([Self::graph(&paths.graph), start, target, own]))
    }
}

fn find_constant(nodes: &[crate::plan::Node], var: VarId) -> Option<velocypack::Value> {
    nodes.iter().find_map(|node| match &node.kind {
        NodeKind::Calculation { expr: Expr::Const(value), out } if *out == var => Some(value.clone()),
        NodeKind::Subquery { plan, .. } => find_constant(&plan.nodes, var),
        _ => None,
    })
}

fn hints(scan: &Scan) -> Json {
    let kind = match (scan.disable_index, scan.index_hint.is_empty()) {
        (true, _) => "disabled",
        (_, true) => "none",
        _ => "simple",
    };
    let mut hint = json!({"forced": scan.force_index_hint, "lookahead": 1, "type": kind});
    if let (Json::Object(hint), "simple") = (&mut hint, kind) {
        hint.insert("hint".into(), json!(scan.index_hint));
    }
    json!({"random": scan.random, "indexHint": hint})
}

fn index_json(index: &Index) -> Json {
    let mut fields = json!({
        "id": index.id, "type": index.kind, "name": index.name, "fields": index.fields,
        "unique": index.unique, "sparse": index.sparse, "selectivityEstimate": 1,
    });
    if let (Json::Object(fields), false) = (&mut fields, matches!(index.kind.as_str(), "primary" | "edge")) {
        fields.insert("deduplicate".into(), json!(index.deduplicate));
        fields.insert("estimates".into(), json!(index.estimates));
        fields.insert("cacheEnabled".into(), json!(index.cache_enabled));
        if !index.stored_values.is_empty() {
            fields.insert("storedValues".into(), json!(index.stored_values));
        }
    }
    fields
}

fn modification_flags(options: &ModifyOptions) -> Json {
    let mut flags = json!({
        "waitForSync": options.wait_for_sync,
        "skipDocumentValidation": false,
        "keepNull": options.keep_null,
        "mergeObjects": options.merge_objects,
        "ignoreRevs": options.ignore_revs,
        "isRestore": false,
        "ignoreErrors": options.ignore_errors,
        "ignoreDocumentNotFound": false,
        "readCompleteInput": false,
        "consultAqlWriteFilter": false,
        "exclusive": options.exclusive,
        "overwriteMode": options.overwrite_mode,
    });
    if let (Json::Object(flags), Some(attribute)) = (&mut flags, &options.version_attribute) {
        flags.insert("versionAttribute".into(), json!(attribute));
    }
    json!({"modificationFlags": flags})
}

fn traversal_options(options: &TraversalOptions, min_depth: u64, max_depth: u64) -> Json {
    json!({
        "parallelism": 1,
        "produceVertices": options.produce_vertices,
        "producePathsVertices": true,
        "producePathsEdges": true,
        "producePathsWeights": true,
        "maxProjections": 5,
        "minDepth": min_depth,
        "maxDepth": max_depth,
        "uniqueVertices": options.unique_vertices,
        "uniqueEdges": options.unique_edges,
        "order": options.order,
        "weightAttribute": options.weight_attribute.as_deref().unwrap_or(""),
        "defaultWeight": options.default_weight,
        "vertexCollections": options.vertex_collections,
        "edgeCollections": options.edge_collections,
        "neighbors": false,
        "useCache": true,
        "type": "traversal",
    })
}
