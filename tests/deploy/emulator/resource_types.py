"""Types and properties of CloudFormation that our template has and ministack 1.5.33 has not.

Each is as strict as its page, https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-<name>.html,
where a wrong template can be told from a right one; nothing behind them works: there is no network and nothing scales.
"""

import json
import random
import re

from keys import key_of_bucket, key_of_table
from load_balancer import may_invoke
from load_balancer_listeners import check_actions, check_listener
from ministack.core.responses import get_account_id, get_region
from ministack.services import alb, ec2, kinesis, secretsmanager
from ministack.services.cloudformation import provisioners

# Which tables and indexes scale, by the target's name.
_targets: dict[str, dict] = {}


def identifier(prefix: str) -> str:
    return f"{prefix}-{''.join(random.choices('0123456789abcdef', k=17))}"


def required(type_name: str, properties: dict, *names: str) -> None:
    for name in names:
        if properties.get(name) in (None, ""):
            raise ValueError(f"{type_name}: property {name} is missing")


# aws-resource-ec2-natgateway
def create_nat_gateway(logical_id, properties, stack_name):
    subnet, vpc = properties.get("SubnetId", ""), properties.get("VpcId", "")
    if properties.get("AvailabilityMode") == "regional":
        # https://docs.aws.amazon.com/vpc/latest/userguide/nat-gateways-regional.html: a regional one is made in a VPC, not
        # in a subnet, and needs the VPC's internet gateway.
        if subnet or properties.get("ConnectivityType") == "private":
            raise ValueError("A regional NAT gateway takes a VpcId, and neither a SubnetId nor private connectivity")
        required("AWS::EC2::NatGateway", properties, "VpcId")
    else:
        required("AWS::EC2::NatGateway", properties, "SubnetId")
        vpc = ec2._subnets[subnet]["VpcId"]
    attached = [attachment.get("VpcId") for gateway in ec2._internet_gateways.values() for attachment in gateway["Attachments"]]
    if properties.get("ConnectivityType", "public") == "public" and vpc not in attached:
        raise ValueError(f"Network {vpc} has no Internet gateway attached")
    gateway = identifier("nat")
    ec2._nat_gateways[gateway] = {
        "NatGatewayId": gateway, "SubnetId": subnet, "VpcId": vpc, "AllocationId": properties.get("AllocationId", ""),
        "ConnectivityType": properties.get("ConnectivityType", "public"), "State": "available",
        "CreateTime": ec2._now_ts(), "Tags": properties.get("Tags", []),
    }
    return gateway, {"NatGatewayId": gateway, "RouteTableId": identifier("rtb")}


# aws-resource-ec2-flowlog
def create_flow_log(logical_id, properties, stack_name):
    required("AWS::EC2::FlowLog", properties, "ResourceId", "ResourceType")
    kind = properties.get("LogDestinationType", "cloud-watch-logs")
    if kind == "cloud-watch-logs":
        required("AWS::EC2::FlowLog", properties, "DeliverLogsPermissionArn")
    flow_log = identifier("fl")
    ec2._flow_logs[flow_log] = {
        "FlowLogId": flow_log, "ResourceId": properties["ResourceId"], "ResourceType": properties["ResourceType"],
        "TrafficType": properties.get("TrafficType", "ALL"), "LogDestinationType": kind,
        "LogDestination": properties.get("LogDestination") or properties.get("LogGroupName"),
        "FlowLogStatus": "ACTIVE", "CreationTime": ec2._now_ts(),
    }
    return flow_log, {"Id": flow_log}


# aws-resource-ec2-securitygroupingress, aws-resource-ec2-securitygroupegress
def create_rule(field: str, prefix: str):
    def create(logical_id, properties, stack_name):
        required(f"AWS::EC2::SecurityGroup{prefix}", properties, "GroupId", "IpProtocol")
        group = ec2._security_groups.get(properties["GroupId"])
        if group is None:
            raise ValueError(f"The security group '{properties['GroupId']}' does not exist")
        peers = [name for name in ("CidrIp", "CidrIpv6", "SourceSecurityGroupId", "DestinationSecurityGroupId",
                                   "SourcePrefixListId", "DestinationPrefixListId") if properties.get(name)]
        if len(peers) != 1:
            raise ValueError(f"AWS::EC2::SecurityGroup{prefix}: exactly one peer is allowed, not {peers}")
        peer_group = properties.get("SourceSecurityGroupId") or properties.get("DestinationSecurityGroupId")
        if peer_group and peer_group not in ec2._security_groups:
            raise ValueError(f"The security group '{peer_group}' does not exist")
        # The page of the egress rule says that it removes the group's default of allowing all. That is not relied on: here
        # the default stays until the group itself declares egress.
        group.setdefault(field, []).extend(provisioners._ec2_sg_permissions([properties]))
        rule = identifier("sgr")
        return rule, {"Id": rule}

    def delete(physical_id, properties):
        group = ec2._security_groups.get(properties.get("GroupId"))
        for rule in provisioners._ec2_sg_permissions([properties]):
            if group and rule in group.get(field, []):
                group[field].remove(rule)

    return {"create": create, "delete": delete}


# aws-resource-applicationautoscaling-scalabletarget
def create_scalable_target(logical_id, properties, stack_name):
    required("AWS::ApplicationAutoScaling::ScalableTarget", properties,
             "MinCapacity", "MaxCapacity", "ResourceId", "ScalableDimension", "ServiceNamespace")
    if int(properties["MinCapacity"]) > int(properties["MaxCapacity"]):
        raise ValueError("MinCapacity is above MaxCapacity")
    if properties["ServiceNamespace"] == "dynamodb":
        refuse_on_demand(properties["ResourceId"], properties["ScalableDimension"])
    name = "|".join(str(properties[part]) for part in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
    _targets[name] = properties
    arn = f"arn:aws:application-autoscaling:{get_region()}:{get_account_id()}:scalable-target/{identifier('0')}"
    return name, {"Id": name, "ScalableTargetARN": arn}


def refuse_on_demand(resource: str, dimension: str) -> None:
    """Only what has provisioned capacity scales:
    https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/AutoScaling.html"""
    from ministack.services import dynamodb

    parts = resource.split("/")
    table = dynamodb._tables.get(parts[1])
    if table is None:
        raise ValueError(f"the table of {resource} does not exist")
    mode = table.get("BillingModeSummary") or {"BillingMode": table.get("BillingMode")}
    if mode.get("BillingMode") == "PAY_PER_REQUEST":
        raise ValueError(f"{resource} is on demand and cannot scale by {dimension}")
    indexes = [index["IndexName"] for index in table.get("GlobalSecondaryIndexes") or []]
    if len(parts) == 4 and parts[3] not in indexes:
        raise ValueError(f"the index of {resource} does not exist")


# aws-resource-applicationautoscaling-scalingpolicy
def create_scaling_policy(logical_id, properties, stack_name):
    required("AWS::ApplicationAutoScaling::ScalingPolicy", properties, "PolicyName", "PolicyType")
    target = properties.get("ScalingTargetId") or "|".join(
        str(properties.get(part)) for part in ("ResourceId", "ScalableDimension", "ServiceNamespace"))
    if target not in _targets:
        raise ValueError(f"No scalable target registered for {target}")
    arn = f"arn:aws:autoscaling:{get_region()}:{get_account_id()}:scalingPolicy:{identifier('0')}"
    return arn, {"Arn": arn}


# aws-resource-elasticloadbalancingv2-targetgroup: ministack leaves Targets out.
def with_targets(create):
    def create_with_targets(logical_id, properties, stack_name):
        arn, attributes = create(logical_id, properties, stack_name)
        for target in properties.get("Targets", []):
            # A function can be registered only when its policy allows the load balancer:
            # https://docs.aws.amazon.com/elasticloadbalancing/latest/application/lambda-functions.html
            if properties.get("TargetType") == "lambda" and not may_invoke(arn, target["Id"]):
                raise ValueError("elasticloadbalancing principal does not have permission to invoke "
                                 f"{target['Id']} from target group {arn}")
        alb._targets[arn] = [{"Id": target["Id"], "Port": target.get("Port")} for target in properties.get("Targets", [])]
        return arn, attributes

    return create_with_targets


# aws-resource-elasticloadbalancingv2-listener, -listenerrule: ministack makes them whatever they say.
def checked(operation, check):
    def make(logical_id, properties, stack_name):
        check(properties)
        return operation(logical_id, properties, stack_name)

    return make


# aws-resource-kinesis-stream: ministack leaves StreamEncryption out.
def with_encryption(create):
    def create_with_encryption(logical_id, properties, stack_name):
        name, attributes = create(logical_id, properties, stack_name)
        encryption = properties.get("StreamEncryption")
        if encryption:
            kinesis._streams[name].update(EncryptionType=encryption["EncryptionType"], KeyId=encryption["KeyId"])
        return name, attributes

    return create_with_encryption


# aws-resource-s3-bucket: ministack leaves BucketEncryption out.
def with_key(create):
    def create_with_key(logical_id, properties, stack_name):
        bucket, attributes = create(logical_id, properties, stack_name)
        for rule in (properties.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration", []):
            default = rule.get("ServerSideEncryptionByDefault") or {}
            if default.get("SSEAlgorithm") == "aws:kms" and default.get("KMSMasterKeyID"):
                key_of_bucket[bucket] = default["KMSMasterKeyID"]
        return bucket, attributes

    return create_with_key


# aws-resource-dynamodb-table: ministack leaves the key of SSESpecification out, and lets a table on demand have capacity.
def with_table_key(create):
    def create_with_table_key(logical_id, properties, stack_name):
        if properties.get("BillingMode") == "PAY_PER_REQUEST":
            for of in (properties, *properties.get("GlobalSecondaryIndexes", [])):
                if of.get("ProvisionedThroughput"):
                    raise ValueError("ProvisionedThroughput cannot be specified when BillingMode is PAY_PER_REQUEST")
        table, attributes = create(logical_id, properties, stack_name)
        key = (properties.get("SSESpecification") or {}).get("KMSMasterKeyId")
        if key:
            key_of_table[table] = key
        return table, attributes

    return create_with_table_key


# aws-resource-ec2-vpc, return values: ministack knows neither the CIDR block nor its associations.
def with_cidr(create):
    def create_with_cidr(logical_id, properties, stack_name):
        vpc, attributes = create(logical_id, properties, stack_name)
        return vpc, {**attributes, "CidrBlock": properties.get("CidrBlock", "")}

    return create_with_cidr


# aws-resource-secretsmanager-secret, return values: Ref is the ARN, and ministack's is the name.
def by_arn(operation):
    def named(physical_id, *arguments, **options):
        name, _ = secretsmanager._resolve(physical_id)
        changed = operation(name or physical_id, *arguments, **options)
        return (changed[1]["Arn"], changed[1]) if isinstance(changed, tuple) else changed

    return named


def with_arn(create):
    def create_with_arn(logical_id, properties, stack_name):
        _, attributes = create(logical_id, properties, stack_name)
        return attributes["Arn"], attributes

    return create_with_arn


# aws-properties-secretsmanager-secret-generatesecretstring: ministack reads only the length and ExcludeCharacters.
def secret_string(properties: dict) -> str:
    asked = properties.get("GenerateSecretString")
    if properties.get("SecretString") or not asked:
        return properties.get("SecretString", "")
    typed = {name: value == "true" if value in ("true", "false") else value for name, value in asked.items()}
    typed["PasswordLength"] = int(asked.get("PasswordLength", 32))
    status, _, body = secretsmanager._get_random_password(typed)
    if status != 200:
        raise ValueError(f"AWS::SecretsManager::Secret: {body!r}")
    password = json.loads(body)["RandomPassword"]
    if "SecretStringTemplate" not in asked:
        return password
    return json.dumps({**json.loads(asked["SecretStringTemplate"]), asked["GenerateStringKey"]: password})


# aws-resource-cloudwatch-alarm: ministack refuses alarms on an expression. Here they are made, and never get data.
def with_expressions(operation):
    def made(logical_id, *arguments, **options):
        *before, properties, stack_name = arguments
        queries = properties.get("Metrics")
        if queries:
            # https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/API_MetricDataQuery.html
            for query in queries:
                if not re.fullmatch("[a-z][A-Za-z0-9_]{0,254}", str(query.get("Id"))):
                    raise ValueError(f"'{query.get('Id')}' is not a valid id of a metric")
                if bool(query.get("Expression")) == bool(query.get("MetricStat")):
                    raise ValueError("each metric of an alarm has either an Expression or a MetricStat")
            returned = [query for query in queries if str(query.get("ReturnData", True)).lower() == "true"]
            if len(returned) != 1 or any(name in properties for name in ("MetricName", "Namespace", "Statistic", "Period")):
                raise ValueError("an alarm with Metrics returns data of exactly one, and has no metric of its own")
            kept = {name: value for name, value in properties.items() if name != "Metrics"}
            properties = {**kept, "MetricName": returned[0]["Id"], "Namespace": "Emulator/Expressions"}
        return operation(logical_id, *before, properties, stack_name, **options)

    return made


def nothing_to_delete(physical_id, properties):
    return None


def install() -> None:
    types = provisioners._RESOURCE_HANDLERS
    types.update({
        "AWS::EC2::NatGateway": {
            "create": create_nat_gateway, "delete": lambda physical_id, properties: ec2._nat_gateways.pop(physical_id, None)},
        "AWS::EC2::FlowLog": {
            "create": create_flow_log, "delete": lambda physical_id, properties: ec2._flow_logs.pop(physical_id, None)},
        "AWS::EC2::SecurityGroupIngress": create_rule("IpPermissions", "Ingress"),
        "AWS::EC2::SecurityGroupEgress": create_rule("IpPermissionsEgress", "Egress"),
        "AWS::ApplicationAutoScaling::ScalableTarget": {
            "create": create_scalable_target, "delete": lambda physical_id, properties: _targets.pop(physical_id, None)},
        "AWS::ApplicationAutoScaling::ScalingPolicy": {"create": create_scaling_policy, "delete": nothing_to_delete},
    })
    for name, extended in (
        ("AWS::ElasticLoadBalancingV2::TargetGroup", with_targets),
        ("AWS::ElasticLoadBalancingV2::Listener", lambda create: checked(create, check_listener)),
        ("AWS::ElasticLoadBalancingV2::ListenerRule", lambda create: checked(
            create, lambda properties: check_actions(properties.get("Actions") or []))),
        ("AWS::Kinesis::Stream", with_encryption),
        ("AWS::S3::Bucket", with_key),
        ("AWS::DynamoDB::Table", with_table_key),
        ("AWS::EC2::VPC", with_cidr),
    ):
        types[name] = {**types[name], "create": extended(types[name]["create"])}
    provisioners._sm_secret_string = secret_string
    secret = types["AWS::SecretsManager::Secret"]
    types["AWS::SecretsManager::Secret"] = {
        **secret, "create": with_arn(secret["create"]), "update": by_arn(secret["update"]), "delete": by_arn(secret["delete"])}
    alarm = types["AWS::CloudWatch::Alarm"]
    types["AWS::CloudWatch::Alarm"] = {**alarm, **{
        name: with_expressions(alarm[name]) for name in ("create", "update") if name in alarm}}
