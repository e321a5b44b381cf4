// What a function is told of its invocation: Amazon.Lambda.Core's interfaces, implemented at run time by member name, because
// the version of Amazon.Lambda.Core is the function's own.

using System;
using System.Collections.Generic;
using System.Linq;
using System.Net.Http;
using System.Reflection;
using System.Text.Json;

namespace Functory.Lambda
{
    public sealed class Invocation
    {
        readonly HttpResponseMessage _response;

        public Invocation(HttpResponseMessage response)
        {
            _response = response;
        }

        public string RequestId { get { return Header("Lambda-Runtime-Aws-Request-Id"); } }

        public string Header(string name)
        {
            IEnumerable<string> values;
            return _response.Headers.TryGetValues(name, out values) ? string.Join(",", values) : null;
        }
    }

    /// Answers the members of one interface.
    public class Members : DispatchProxy
    {
        Func<MethodInfo, object[], object> _answer;

        public static object Of(Type contract, Func<MethodInfo, object[], object> answer)
        {
            var create = typeof(DispatchProxy).GetMethods().First(m => m.Name == "Create" && m.IsGenericMethodDefinition);
            var made = create.MakeGenericMethod(contract, typeof(Members)).Invoke(null, null);
            ((Members)made)._answer = answer;
            return made;
        }

        protected override object Invoke(MethodInfo method, object[] arguments)
        {
            var answer = _answer(method, arguments);
            var wanted = method.ReturnType;
            return answer == null && wanted.IsValueType && wanted != typeof(void) ? Activator.CreateInstance(wanted) : answer;
        }
    }

    public static class Context
    {
        /// An object with the contract of ILambdaContext.
        public static object Of(Type contract, Invocation invocation)
        {
            var deadline = long.Parse(invocation.Header("Lambda-Runtime-Deadline-Ms") ?? "0");
            return Members.Of(contract, (method, arguments) =>
            {
                switch (method.Name)
                {
                    case "get_AwsRequestId": return invocation.RequestId;
                    case "get_InvokedFunctionArn": return invocation.Header("Lambda-Runtime-Invoked-Function-Arn");
                    case "get_TenantId": return invocation.Header("Lambda-Runtime-Aws-Tenant-Id");
                    case "get_TraceId": return invocation.Header("Lambda-Runtime-Trace-Id");
                    case "get_FunctionName": return Variable("AWS_LAMBDA_FUNCTION_NAME");
                    case "get_FunctionVersion": return Variable("AWS_LAMBDA_FUNCTION_VERSION");
                    case "get_LogGroupName": return Variable("AWS_LAMBDA_LOG_GROUP_NAME");
                    case "get_LogStreamName": return Variable("AWS_LAMBDA_LOG_STREAM_NAME");
                    case "get_MemoryLimitInMB": return int.Parse(Variable("AWS_LAMBDA_FUNCTION_MEMORY_SIZE") ?? "0");
                    case "get_RemainingTime":
                        var left = deadline - DateTimeOffset.UtcNow.ToUnixTimeMilliseconds();
                        return TimeSpan.FromMilliseconds(Math.Max(left, 0));
                    case "get_Logger": return Members.Of(method.ReturnType, (log, values) => Log(invocation, log, values));
                    case "get_Identity": return Identity(method.ReturnType, invocation);
                    case "get_ClientContext": return ClientContext(method.ReturnType, invocation);
                    default: return null;
                }
            });
        }

        static string Variable(string name)
        {
            return Environment.GetEnvironmentVariable(name);
        }

        /// ILambdaLogger: Log(text) is written as it is, LogLine and the methods with a level are lines.
        static object Log(Invocation invocation, MethodInfo method, object[] values)
        {
            var texts = values.OfType<string>().ToList();
            if (method.Name == "Log" && values.Length == 1)
            {
                Console.Out.Write(texts.FirstOrDefault());
            }
            else if (method.Name == "LogLine")
            {
                Console.Out.WriteLine(texts.FirstOrDefault());
            }
            else if (method.Name.StartsWith("Log", StringComparison.Ordinal))
            {
                var level = method.Name == "Log" ? values[0].ToString() : method.Name.Substring(3);
                var exception = values.OfType<Exception>().FirstOrDefault();
                var message = method.Name == "Log" && values[0] is string ? texts.Skip(1).FirstOrDefault() : texts.FirstOrDefault();
                var line = Now() + "\t" + invocation.RequestId + "\t" + Short(level) + "\t" + message;
                Console.Out.WriteLine(exception == null ? line : line + "\n" + exception);
            }
            return null;
        }

        static string Now()
        {
            return DateTime.UtcNow.ToString("yyyy-MM-ddTHH:mm:ss.fffZ", System.Globalization.CultureInfo.InvariantCulture);
        }

        static string Short(string level)
        {
            switch (level)
            {
                case "Information": return "info";
                case "Warning": return "warn";
                case "Error": return "fail";
                case "Critical": return "crit";
                case "Debug": return "dbug";
                case "Trace": return "trce";
                default: return level;
            }
        }

        static object Identity(Type contract, Invocation invocation)
        {
            var json = Parsed(invocation.Header("Lambda-Runtime-Cognito-Identity"));
            return Members.Of(contract, (method, arguments) =>
            {
                switch (method.Name)
                {
                    case "get_IdentityId": return Text(json, "cognitoIdentityId");
                    case "get_IdentityPoolId": return Text(json, "cognitoIdentityPoolId");
                    default: return null;
                }
            });
        }

        static object ClientContext(Type contract, Invocation invocation)
        {
            var json = Parsed(invocation.Header("Lambda-Runtime-Client-Context"));
            if (json == null)
            {
                return null;
            }
            return Members.Of(contract, (method, arguments) =>
            {
                switch (method.Name)
                {
                    case "get_Custom": return Dictionary(json, "custom");
                    case "get_Environment": return Dictionary(json, "env");
                    case "get_Client": return Client(method.ReturnType, json.Value);
                    default: return null;
                }
            });
        }

        static object Client(Type contract, JsonElement json)
        {
            JsonElement client;
            if (!json.TryGetProperty("client", out client) || client.ValueKind != JsonValueKind.Object)
            {
                return null;
            }
            var names = new Dictionary<string, string>
            {
                { "get_InstallationId", "installation_id" }, { "get_AppTitle", "app_title" },
                { "get_AppVersionName", "app_version_name" }, { "get_AppVersionCode", "app_version_code" },
                { "get_AppPackageName", "app_package_name" },
            };
            return Members.Of(contract, (method, arguments) =>
                names.ContainsKey(method.Name) ? Text(client, names[method.Name]) : null);
        }

        static JsonElement? Parsed(string text)
        {
            return string.IsNullOrEmpty(text) ? (JsonElement?)null : JsonDocument.Parse(text).RootElement.Clone();
        }

        static string Text(JsonElement? json, string name)
        {
            JsonElement value;
            var has = json != null && json.Value.TryGetProperty(name, out value) && value.ValueKind == JsonValueKind.String;
            return has ? json.Value.GetProperty(name).GetString() : null;
        }

        static IDictionary<string, string> Dictionary(JsonElement? json, string name)
        {
            var result = new Dictionary<string, string>();
            JsonElement values;
            if (json != null && json.Value.TryGetProperty(name, out values) && values.ValueKind == JsonValueKind.Object)
            {
                foreach (var pair in values.EnumerateObject())
                {
                    result[pair.Name] = pair.Value.ValueKind == JsonValueKind.String ? pair.Value.GetString() : pair.Value.GetRawText();
                }
            }
            return result;
        }
    }
}
